"""The model gateway: choosing and metering models."""
