"""Where pictures come from: image folders, a MedMNIST file, phantoms made on the fly."""
