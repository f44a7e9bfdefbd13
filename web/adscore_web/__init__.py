"""The page of adscore for people who do not program: a web app that is a client of the server."""


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata  # which takes longer to import than all of this

        return metadata.version("adscore")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
