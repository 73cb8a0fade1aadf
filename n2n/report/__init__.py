"""What a person looks at: the page, its words, charts and pictures, and the terminal."""
