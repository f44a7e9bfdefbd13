"""The gRPC server of adscore: transport only, over `adscore.scoring.scorer`."""


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata  # which takes longer to import than all of this

        return metadata.version("adscore")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
