package s3api

import (
	"net/http"
	"strings"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// writeChecksum puts a checksum and its type into an answer's headers.
func writeChecksum(h http.Header, c *objects.Checksum) {
	if c == nil {
		return
	}
	h.Set(c.Algorithm.Header(), c.Value)
	h.Set("X-Amz-Checksum-Type", checksumType(c.Composite))
}

func checksumType(composite bool) string {
	if composite {
		return checksum.TypeComposite
	}
	return checksum.TypeFullObject
}

// checksumElement is the name of the XML element that carries an algorithm's value.
func checksumElement(a checksum.Algorithm) string { return "Checksum" + a.String() }

// xmlChecksum puts a checksum's value into a document, and its type if typed.
func (d *document) xmlChecksum(c *objects.Checksum, typed bool) {
	if c == nil {
		return
	}
	d.text(checksumElement(c.Algorithm), c.Value)
	if typed {
		d.text("ChecksumType", checksumType(c.Composite))
	}
}

// chosenAlgorithm reads x-amz-checksum-algorithm; None when it was not sent.
func chosenAlgorithm(h http.Header) (checksum.Algorithm, error) {
	value := h.Get("X-Amz-Checksum-Algorithm")
	if value == "" {
		return checksum.None, nil
	}
	return checksum.ParseAlgorithm(value)
}

// checkFullObject refuses an x-amz-checksum-type of a write that makes an object whole: its checksum is that of all its bytes, whatever is asked for.
func checkFullObject(h http.Header) error {
	if values, said := h["X-Amz-Checksum-Type"]; said && values[0] != checksum.TypeFullObject {
		return refusef("InvalidRequest", "The x-amz-checksum-type %q is none that this object can have: one that is not uploaded in parts has %s.", values[0], checksum.TypeFullObject)
	}
	return nil
}

// wantsChecksums reports whether a GET or HEAD asks for the stored checksum.
func wantsChecksums(h http.Header) (bool, error) {
	switch mode := h.Get("X-Amz-Checksum-Mode"); strings.ToUpper(mode) {
	case "":
		return false, nil
	case "ENABLED":
		return true, nil
	default:
		return false, invalidArgument("x-amz-checksum-mode", mode, "Value for x-amz-checksum-mode header is invalid.")
	}
}

// algorithmByElement finds the algorithm of a Checksum* element; None for any other element.
func algorithmByElement(name string) checksum.Algorithm {
	for _, a := range checksum.Algorithms() {
		if checksumElement(a) == name {
			return a
		}
	}
	return checksum.None
}
