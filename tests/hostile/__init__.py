"""Bad input: whatever reaches rover, it says so clearly or counts it, and goes on."""
