"""Room: which photographs does a picture remember?"""
