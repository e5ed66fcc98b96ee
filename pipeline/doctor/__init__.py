"""`sluice doctor`: what will not work here. Facts come from the machine, results from facts alone."""
