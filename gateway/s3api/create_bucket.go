package s3api

import (
	"context"
	"net/http"

	"sallyport/gateway/objects"
)

// classicRegion is the region in which S3 answers a second CreateBucket of the owner with 200.
const classicRegion = "us-east-1"

// createBucket makes a bucket in this endpoint's one region.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func (c *call) createBucket(ctx context.Context) error {
	data, err := c.readDocument(ctx, maxSmallDocument)
	if err != nil {
		return err
	}
	if err := checkBucketConfiguration(data, c.h.region); err != nil {
		return err
	}
	err = c.h.objects.CreateBucket(ctx, c.target.bucket)
	if err != nil && (c.h.region != classicRegion || !isKind(err, objects.BucketExists)) {
		return err
	}
	c.w.Header().Set("Location", "/"+c.target.bucket)
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// checkBucketConfiguration reads a CreateBucketConfiguration. There is one region and nothing else to configure.
func checkBucketConfiguration(data []byte, region string) error {
	if len(data) == 0 {
		return nil
	}
	root, err := parseXML(data, xmlLimits{depth: 4, elements: 64})
	if err == nil {
		err = root.only("CreateBucketConfiguration")
	}
	if err != nil {
		return malformedXML(err)
	}
	for _, child := range root.children {
		switch child.name {
		case "LocationConstraint":
			wanted, err := child.leaf()
			if err != nil {
				return malformedXML(err)
			}
			if wanted != "" && wanted != region {
				return refuse("InvalidLocationConstraint", "The specified location-constraint is not valid: this endpoint is in the region "+region+".").
					with("LocationConstraint", wanted)
			}
		case "Location", "Bucket", "Tags":
			return refuse("NotImplemented", "A bucket's "+child.name+" is not implemented.")
		default:
			return malformedXML(errXMLShape)
		}
	}
	return nil
}
