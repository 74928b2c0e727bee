"""Calls to AI models: the helper behind `ctx.ai`, its providers, and what a call costs."""
