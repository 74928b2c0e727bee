"""Pure layout: from views to lines of (text, style key), tested without Textual."""
