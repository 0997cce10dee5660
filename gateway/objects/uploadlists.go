package objects

import (
	"context"
	"errors"
	"strings"
	"time"

	"sallyport/gateway/listing"
	"sallyport/gateway/multipart"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

func (s *Service) listParts(ctx context.Context, in *ListPartsInput) (*ListPartsOutput, error) {
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	u, parts, notes, err := s.readUpload(ctx, at, &in.UploadRef)
	if err != nil {
		return nil, err
	}
	if finished(notes) {
		return nil, errNoUpload()
	}
	if in.CustomerKey != nil {
		if _, err := u.secret(in.CustomerKey); err != nil {
			return nil, err
		}
	}
	attempts, err := s.attempts(u, notes)
	if err != nil {
		return nil, err
	}
	out := &ListPartsOutput{Algorithm: u.algorithm, Composite: u.composite, Initiator: u.note.Principal}
	for _, a := range multipart.Newest(attempts, backendState(parts)) {
		if a.Part <= in.After {
			continue
		}
		if len(out.Parts) >= in.Limit {
			out.More = in.Limit > 0
			break
		}
		part := PartInfo{Number: a.Part, Size: a.Plain, ETag: a.ETag, ModTime: wholeSeconds(a.When)}
		if u.showsChecksums(in.CustomerKey) {
			part.Checksum = partChecksum(u.algorithm, a.Checksum)
		}
		out.Parts = append(out.Parts, part)
	}
	return out, nil
}

func (s *Service) listUploads(ctx context.Context, in *ListUploadsInput) (*ListUploadsOutput, error) {
	b, err := s.bucket(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	out := &ListUploadsOutput{}
	if in.Limit <= 0 {
		return out, nil
	}
	query := listing.Query{Prefix: in.Prefix, Delimiter: in.Delimiter}
	opts := &providers.ListUploadsOptions{Prefix: b.Name + "/" + in.Prefix}
	if in.KeyMarker != "" {
		opts.After, opts.UploadAfter = b.Name+"/"+in.KeyMarker, in.UploadIDMarker
	}
	group := "" // the common prefix that was added last, or that the key marker stands in
	if prefix, ok := query.Group(in.KeyMarker); ok && prefix == in.KeyMarker {
		group = prefix
	}
	for {
		page, err := b.Vault.Store().Uploads().List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for i := range page.Uploads {
			up := &page.Uploads[i]
			opts.After, opts.UploadAfter = up.Key, up.ID
			key, ok := b.PlainKey(up.Key)
			if !ok {
				continue
			}
			prefix, grouped := query.Group(key)
			if grouped && prefix == group {
				continue
			}
			if len(out.Uploads)+len(out.CommonPrefixes) >= in.Limit {
				out.More = true
				return out, nil
			}
			if grouped {
				group = prefix
				out.CommonPrefixes = append(out.CommonPrefixes, prefix)
				out.NextKeyMarker, out.NextUploadMarker = prefix, ""
				continue
			}
			info, err := s.uploadInfo(ctx, b, key, up)
			if err != nil {
				return nil, err
			}
			if info == nil {
				continue
			}
			out.Uploads = append(out.Uploads, *info)
			out.NextKeyMarker, out.NextUploadMarker = key, up.ID
		}
		if !page.More || len(page.Uploads) == 0 {
			return out, nil
		}
	}
}

// uploadInfo opens an upload's first note. One that does not verify is left out, with an alarm: it cannot be gone on with anyway.
func (s *Service) uploadInfo(ctx context.Context, b *vaults.Bucket, key string, up *providers.OpenUpload) (*UploadInfo, error) {
	at := &place{bucket: b, key: key, backendKey: up.Key}
	u, err := openFirstNote(ctx, at, up.ID, up.Note.Data)
	if errors.Is(err, vaults.ErrLocked) || errors.Is(err, vaults.ErrNoLook) {
		return nil, err
	}
	if err != nil {
		_ = s.explainNote(at, err)
		return nil, nil
	}
	return &UploadInfo{
		Key: key, UploadID: up.ID, Begun: wholeSeconds(up.Note.ModTime), Initiator: u.note.Principal, Algorithm: u.algorithm, Composite: u.composite,
	}, nil
}

func (s *Service) abortUpload(ctx context.Context, in *AbortInput) error {
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return err
	}
	if in.Anyones {
		err = uploadIsThere(ctx, at, in.UploadID)
	} else {
		_, _, _, err = s.readUpload(ctx, at, &in.UploadRef)
	}
	if err != nil {
		return err
	}
	s.uploads.forget(in.UploadID)
	if err := at.store().Uploads().Abort(ctx, providers.Upload{ID: in.UploadID, Key: at.backendKey}); err != nil {
		return err
	}
	s.open.ended(at.bucket.Vault.Name())
	return dropHeldParts(ctx, at.store(), in.UploadID)
}

// uploadIsThere returns an error unless a client's upload of this id goes to this key, whoever began it. It believes what the store keeps in the
// clear and verifies nothing: to drop an upload reveals nothing, and a store that lies could drop it by itself.
func uploadIsThere(ctx context.Context, at *place, uploadID string) error {
	_, notes, err := readNotes(ctx, at, uploadID)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if n.Name == providers.FirstNote && len(n.Data) > 0 {
			return nil
		}
	}
	return errNoUpload() // or the gateway's own, of a PUT in pieces
}

// dropHeldParts removes the held frames of an upload that is no more.
func dropHeldParts(ctx context.Context, store *providers.Store, uploadID string) error {
	return deleteAll(ctx, store, heldFolder(uploadID))
}

func deleteAll(ctx context.Context, store *providers.Store, prefix string) error {
	opts := &providers.ListOptions{Prefix: prefix}
	for {
		page, err := store.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			opts.After = e.Key
			if err := store.Delete(ctx, e.Key, &providers.DeleteOptions{}); err != nil {
				return err
			}
		}
		if !page.More || len(page.Entries) == 0 {
			return nil
		}
	}
}

// sweepAge is how long leftovers stay: longer than any request, so that nothing under way is swept.
const sweepAge = 24 * time.Hour

func (s *Service) sweepUploads(ctx context.Context) (swept int, err error) {
	for _, v := range s.vaults.All() {
		if _, lockedErr := v.ID(); lockedErr != nil {
			continue
		}
		n, sweepErr := s.sweepVault(ctx, v)
		swept += n
		err = errors.Join(err, sweepErr)
	}
	return swept, err
}

func (s *Service) sweepVault(ctx context.Context, v *vaults.Vault) (swept int, err error) {
	before := s.now().Add(-sweepAge)
	uploads := v.Store().Uploads()
	// All uploads are wanted, also those that a wrong clock dated into the future: what is held for none of them is a leftover.
	all, err := uploads.Stale(ctx, s.now().AddDate(1000, 0, 0))
	if err != nil {
		return 0, err
	}
	s.open.found(v.Name(), all)
	alive := map[string]bool{}
	for _, up := range all {
		// A closed upload without "done" was completed by a gateway that died right after, or dropped by the backend.
		ended := up.SplitPut || up.Closed && up.Done.IsZero()
		old := ended && up.Begun.Before(before) || !up.Done.IsZero() && up.Done.Before(before)
		if !old {
			alive[heldFolder(up.ID)] = true
			continue
		}
		if err := uploads.Abort(ctx, up.Upload); err != nil && !providers.Is(err, providers.NoSuchUpload) {
			return swept, err
		}
		swept++
	}
	return swept, s.sweepHeld(ctx, v.Store(), alive, before)
}

// sweepHeld removes old held parts whose upload is gone.
func (s *Service) sweepHeld(ctx context.Context, store *providers.Store, alive map[string]bool, before time.Time) error {
	opts := &providers.ListOptions{Prefix: heldPrefix}
	for {
		page, err := store.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			opts.After = e.Key
			folder := e.Key[:strings.LastIndexByte(e.Key, '/')+1]
			if alive[folder] || !e.ModTime.Before(before) {
				continue
			}
			if err := store.Delete(ctx, e.Key, &providers.DeleteOptions{}); err != nil {
				return err
			}
		}
		if !page.More || len(page.Entries) == 0 {
			return nil
		}
	}
}
