"""The ground floor: devices, errors and progress, used by every other room."""
