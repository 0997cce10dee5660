package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// request is one request to any server. It is signed where the server has keys.
type request struct {
	method, path string
	body         io.Reader
	size         int64
	hash         string    // SHA-256 of the body, in hex; empty: the payload is not signed
	answer       io.Writer // gets the body of the answer; nil: nobody wants it
	header       map[string]string
}

// do sends one request and returns how many bytes the answer had.
func (b *bench) do(ctx context.Context, s *server, r request) (int64, error) {
	n, _, err := b.exchange(ctx, s, r)
	return n, err
}

func (b *bench) exchange(ctx context.Context, s *server, r request) (int64, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, s.url+r.path, r.body)
	if err != nil {
		return 0, nil, err
	}
	req.ContentLength = r.size
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if s.accessKey != "" {
		if r.hash == "" {
			r.hash = "UNSIGNED-PAYLOAD"
		}
		req.Header.Set("X-Amz-Content-Sha256", r.hash)
		req = signer.SignV4(*req, s.accessKey, s.secretKey, "", "us-east-1")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return 0, nil, fmt.Errorf("%s %s: %s: %s", r.method, r.path, resp.Status, text)
	}
	if r.answer == nil {
		r.answer = io.Discard
	}
	n, err := io.Copy(r.answer, resp.Body)
	if err == nil && resp.ContentLength > n && r.method != http.MethodHead {
		err = fmt.Errorf("%s %s: answered %d of %d bytes", r.method, r.path, n, resp.ContentLength)
	}
	return n, resp.Header, err
}

// work is one measurement at a server: it does something of which there is so much.
type work struct {
	name, unit string  // unit of amount per second
	amount     float64 // in unit
	cpuUnit    string  // what CPU is shown per
	cpuAmount  float64 // amount in cpuUnit
	run        func(ctx context.Context, s *server) error
}

func transfer(name string, bytes int64, run func(context.Context, *server) error) work {
	return work{name, "MiB/s", float64(bytes) / mib, "s/GiB", float64(bytes) / mib / 1024, run}
}

func requests(name string, n int, run func(context.Context, *server) error) work {
	return work{name, "1/s", float64(n), "µs each", float64(n) / 1e6, run}
}

// measure does the work at every server that can do it, in turns so that a busy moment of the machine hits all of them, and keeps each one's median
// of rate and of CPU.
func (b *bench) measure(ctx context.Context, w work, at ...*server) error {
	if b.profiles != "" {
		return b.profileWork(ctx, w)
	}
	if at == nil {
		at = b.servers
	}
	rates, cpus := make([][]float64, len(b.servers)), make([][]float64, len(b.servers))
	for range b.rounds {
		for i, s := range b.servers {
			if !slices.Contains(at, s) {
				continue
			}
			before, err := cpuTime(s.pid)
			if err != nil {
				return err
			}
			began := time.Now()
			if err := w.run(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			took := time.Since(began)
			after, err := cpuTime(s.pid)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], w.amount/took.Seconds())
			cpus[i] = append(cpus[i], (after-before).Seconds()/w.cpuAmount)
		}
	}
	b.record(w.name, w.unit, medians(rates))
	b.record("  its CPU", w.cpuUnit, medians(cpus))
	return nil
}

func (b *bench) record(name, unit string, values []float64) {
	values = append(values, make([]float64, len(b.servers)-len(values))...)
	b.figures = append(b.figures, figure{name, unit, values})
	fmt.Fprintf(b.out, "%s: %.2f %s\n", name, values, unit)
}

func medians(all [][]float64) []float64 {
	m := make([]float64, len(all))
	for i, values := range all {
		if len(values) > 0 {
			slices.Sort(values)
			m[i] = values[len(values)/2]
		}
	}
	return m
}

// cpuTime is what a process used so far, user and system; Linux only.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name before it may hold spaces
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d is short", pid)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// peakRSS returns the highest resident memory of a process so far, in bytes; Linux only.
func peakRSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmHWM")
}

// resetPeak makes the peak start anew, so that what the unlock took is not counted.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
