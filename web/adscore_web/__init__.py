"""The web page of adscore, for people who do not program: a web app on top of the client."""


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata  # slower to import than the rest of this package

        return metadata.version("adscore")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
