"""The kinds of grammar: JSON Schema, texts and Lark files, and how each is compiled and explained."""
