"""What the pipeline made, in the forms that other tools take: data sets for trl, peft folders."""
