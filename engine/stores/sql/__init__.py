"""The tables and statements both databases share."""
