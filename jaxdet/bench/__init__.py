"""Images per second, measured side by side in one run. Not part of any test."""
