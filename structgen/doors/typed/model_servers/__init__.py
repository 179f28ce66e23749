"""What servers of models are asked, and what they answer.

What comes in: a request of a typed call, and the protocol of a server. What goes out: texts, calls of tools.

1. `own_servers` finds out whether a server is structgen's, and says what such a server alone is sent.
2. `remote_calls` writes tools in OpenAI's shape, and reads the calls of a reply.
3. `server_answers` collects an answer, whole or in pieces; `anthropic_messages` reads Anthropic's form.
4. `server_replies` finds the document in a reply: in fences, after thoughts, in a sentence.
"""
