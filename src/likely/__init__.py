"""likely."""
