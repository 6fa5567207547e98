"""What the app is made of: questions in, the one way of ``dfd.score``, answers out."""
