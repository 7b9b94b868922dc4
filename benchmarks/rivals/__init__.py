"""What one would write instead, as the tools' own guides lead to it: scripts that take a folder of images."""
