"""What each window's prompt says: views by elevation, and the sun's place."""
