package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bareServer stores request bodies as files and serves them, and does nothing else.
type bareServer struct {
	dir    string
	sync   bool
	socket net.Listener
}

// serveBare serves the folder args[0] in a process of its own; args[1] is sync or nosync.
func serveBare(args []string) error {
	if len(args) != 2 {
		return errors.New("want a folder and sync or nosync")
	}
	s, err := newBareServer(args[0], args[1] == "sync")
	if err != nil {
		return err
	}
	fmt.Println(s.url())
	return s.serve()
}

func newBareServer(dir string, sync bool) (*bareServer, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &bareServer{dir, sync, socket}, nil
}

func (s *bareServer) url() string { return "http://" + s.socket.Addr().String() }

func (s *bareServer) serve() error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(s.socket)
}

// ServeHTTP implements http.Handler.
func (s *bareServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := filepath.Join(s.dir, strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/"), "/", "_"))
	switch r.Method {
	case http.MethodPut:
		if err := s.store(path, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case http.MethodGet, http.MethodHead:
		http.ServeFile(w, r, path)
	default:
		http.Error(w, "only PUT, GET and HEAD", http.StatusMethodNotAllowed)
	}
}

func (s *bareServer) store(path string, body io.Reader) (err error) {
	f, err := os.CreateTemp(s.dir, ".new-")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if err == nil && s.sync {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil || !s.sync {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
