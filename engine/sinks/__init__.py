"""Where events may go: a log, a webhook, several at once."""

from engine.sinks.fan_out import FanOut
from engine.sinks.log import LogSink
from engine.sinks.webhook import WebhookSink

__all__ = ["FanOut", "LogSink", "WebhookSink"]
