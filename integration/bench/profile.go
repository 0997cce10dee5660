package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
)

const profileSeconds = 10

// profileWork keeps each gateway at the work for a while and writes what its processor did meanwhile to a file, for go tool pprof.
func (b *bench) profileWork(ctx context.Context, w work) error {
	for _, s := range b.servers {
		if s.admin == "" {
			continue
		}
		name := regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(w.name+" "+s.name, "-") + ".pprof"
		taken := make(chan error, 1)
		go func() { taken <- b.takeProfile(ctx, s, filepath.Join(b.profiles, name)) }()
		if err := workUntil(ctx, w, s, taken); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintln(b.out, name)
	}
	return nil
}

func workUntil(ctx context.Context, w work, s *server, done <-chan error) error {
	for {
		select {
		case err := <-done:
			return err
		default:
		}
		if err := w.run(ctx, s); err != nil {
			return errors.Join(err, <-done)
		}
	}
}

func (b *bench) takeProfile(ctx context.Context, s *server, path string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.admin, profileSeconds), nil)
	if err != nil {
		return err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the profile was answered with %s", resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
