"""A SavedModel in the C++ loader that TensorFlow Serving uses, without TensorFlow's Python.

It is `TF_LoadSessionFromSavedModel` of the C API, in the library that the tensorflow wheel carries. This
package needs NumPy and protobuf alone, and nothing else of the project, so that a fresh process can use
it with the rest out of reach.
"""
