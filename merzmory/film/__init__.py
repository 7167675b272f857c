"""Room: pictures and walks to video."""
