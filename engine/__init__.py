"""A durable workflow engine: typed stages, commands that change runs, errors that say what is wrong.

`engine.bootstrap.open_engine` opens one; `engine.inspector` reads.

`__init__.pyi` lists the names, each with its module, imported when the name is first asked for: nobody pays for what
they don't use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
