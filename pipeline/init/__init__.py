"""`sluice init`: a first configuration and schema from a look at the data."""
