"""What papers are built of: networks, layers, losses, scores, searches; pure, and tested against closed forms."""
