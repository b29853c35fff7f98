"""Protobuf's `Struct`, `ListValue` and `Value`, which are plain values of Python in the fields of messages.

Written by hand, because the generator's codecs make and take objects of message classes.
"""
