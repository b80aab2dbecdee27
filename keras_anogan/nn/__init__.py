"""What papers are built of: networks, layers, losses, scores, searches. None of it knows of training or of files."""
