package s3api

// parseDelete reads a Delete document.
func parseDelete(data []byte) (deletions []deletion, quiet bool, err error) {
	root, err := parseXML(data, xmlLimits{depth: 3, elements: 8 * maxDeletes})
	if err == nil {
		err = root.only("Delete")
	}
	if err != nil {
		return nil, false, malformedXML(err)
	}
	for _, child := range root.children {
		switch child.name {
		case "Quiet":
			text, err := child.leaf()
			if err != nil || text != "true" && text != "false" {
				return nil, false, malformedXML(err)
			}
			quiet = text == "true"
		case "Object":
			d, err := parseDeletion(child)
			if err != nil {
				return nil, false, err
			}
			deletions = append(deletions, d)
		default:
			return nil, false, malformedXML(errXMLShape)
		}
	}
	if len(deletions) == 0 || len(deletions) > maxDeletes {
		return nil, false, malformedXML(errXMLShape)
	}
	return deletions, quiet, nil
}

func parseDeletion(n *node) (deletion, error) {
	fields, err := n.leaves("Key", "VersionId", "ETag", "LastModifiedTime", "Size")
	if err != nil || fields["Key"] == "" {
		return deletion{}, malformedXML(err)
	}
	for _, name := range []string{"LastModifiedTime", "Size"} {
		if _, there := fields[name]; there {
			return deletion{}, refuse("NotImplemented", "A deletion on condition of "+name+" is not implemented.")
		}
	}
	d := deletion{key: fields["Key"]}
	d.version, d.hasVersion = fields["VersionId"]
	if etag, there := fields["ETag"]; there {
		etags := parseETags([]string{etag})
		if len(etags) != 1 {
			return deletion{}, malformedXML(errXMLShape)
		}
		d.ifMatch = etags[0]
	}
	return d, nil
}
