"""adscore predicts how an ad creative will perform, and says how sure it is."""
