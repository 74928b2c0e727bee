from .serverless import ServerlessHost as ServerlessHost
from .worker import WorkerHost as WorkerHost
