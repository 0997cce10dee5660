package s3api

import (
	"strconv"

	"sallyport/gateway/checksum"
	"sallyport/gateway/objects"
)

// parseComplete reads a CompleteMultipartUpload document.
func parseComplete(data []byte) ([]objects.CompletedPart, error) {
	root, err := parseXML(data, xmlLimits{depth: 3, elements: 8 * maxParts})
	if err == nil {
		err = root.only("CompleteMultipartUpload")
	}
	if err != nil {
		return nil, malformedXML(err)
	}
	var parts []objects.CompletedPart
	for _, child := range root.children {
		if child.name != "Part" || len(parts) == maxParts {
			return nil, malformedXML(errXMLShape)
		}
		part, err := parseCompletedPart(child)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return nil, malformedXML(errXMLShape)
	}
	return parts, nil
}

func parseCompletedPart(n *node) (objects.CompletedPart, error) {
	var part objects.CompletedPart
	names := []string{"PartNumber", "ETag"}
	for _, a := range checksum.Algorithms() {
		names = append(names, checksumElement(a))
	}
	fields, err := n.leaves(names...)
	if err != nil {
		return part, malformedXML(err)
	}
	if part.Number, err = strconv.Atoi(fields["PartNumber"]); err != nil {
		return part, malformedXML(err)
	}
	if part.Number < 1 || part.Number > maxParts {
		return part, invalidArgument("partNumber", fields["PartNumber"], "Part number must be an integer between 1 and 10000, inclusive")
	}
	etags := parseETags([]string{fields["ETag"]})
	if len(etags) != 1 {
		return part, malformedXML(errXMLShape)
	}
	part.ETag = etags[0]
	for name, text := range fields {
		a := algorithmByElement(name)
		if a == checksum.None || text == "" {
			continue
		}
		if part.Checksum != nil {
			return part, refuse("InvalidRequest", "A part has more than one checksum.").with("PartNumber", itoa(part.Number))
		}
		if _, err := checksum.ParseValue(a, text); err != nil {
			return part, err
		}
		part.Checksum = &objects.Checksum{Algorithm: a, Value: text}
	}
	return part, nil
}
