"""SkyWalking's query protocol at `/graphql`, for swctl and its user interface.

schema.py     what is served
resolvers.py  what each field answers
ids.py        ids of entities
duration.py   spans of time
syntax.py     expressions (MQE): text to tree
evaluate.py   expressions: tree to values
asked.py      what one request has asked of the store
endpoint.py   HTTP, and the bounds of a request
"""

from rover.backend.graphql.endpoint import GraphQL

__all__ = ["GraphQL"]
