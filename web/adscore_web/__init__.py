"""The page of adscore for people who do not program: a web app that is a client of the server."""
