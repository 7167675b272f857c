"""What the story is told with: names of results, the archive, films, walks and what is asked of a network."""
