"""Floor 1: what workflow authors write. Stages, workflows, their schemas, and the context a stage body
sees.
"""
