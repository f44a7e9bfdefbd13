"""The gRPC server of adscore: transport only, over `adscore.scoring.scorer`."""
