"""What people call: functions with types, the server, plug-ins, MaskBench and the command line."""
