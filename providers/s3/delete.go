package s3

import (
	"context"
	"net/http"
	"net/url"

	"sallyport/providers/driver"
)

// Delete implements driver.Driver.
func (b *Bucket) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	const op = "Delete"
	name, err := b.enterChange(ctx, op, key)
	if err != nil {
		return err
	}
	if opts.IfMatch != "" && !b.caps.ConditionalDelete {
		return fail(driver.Unsupported, op, key, nil)
	}
	return b.remove(ctx, op, key, name, opts.IfMatch)
}

// remove deletes an object, under a condition if ifMatch is not "". Without one an absent object is no error.
func (b *Bucket) remove(ctx context.Context, op, key, name, ifMatch string) error {
	request := &own{method: http.MethodDelete, name: name, header: http.Header{}}
	if ifMatch != "" {
		if !validETag(ifMatch) {
			return fail(driver.PreconditionFailed, op, key, nil)
		}
		request.header.Set("If-Match", quoted(ifMatch))
	}
	ctx, x := record(ctx, nil)
	err := b.send(ctx, x, request, nil)
	if err == nil {
		return nil
	}
	err = b.classify(ctx, &call{op: op, key: key, x: x, changes: true}, err)
	if ifMatch == "" && driver.Is(err, driver.NotFound) {
		return nil
	}
	return err
}

// removeVersion deletes one version for good.
func (b *Bucket) removeVersion(ctx context.Context, op, name, version string) error {
	ctx, x := record(ctx, nil)
	err := b.send(ctx, x, &own{method: http.MethodDelete, name: name, query: url.Values{"versionId": {version}}}, nil)
	if err != nil {
		return b.classify(ctx, &call{op: op, x: x, changes: true, notKey: true}, err)
	}
	return nil
}
