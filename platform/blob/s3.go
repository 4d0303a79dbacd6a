package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Options say where a bucket is. Without AccessKey the credentials come from
// the environment, the AWS configuration or the machine's role, as other tools
// find them.
type S3Options struct {
	Endpoint             string // host:port, without a scheme
	Bucket, Prefix       string
	Region               string
	AccessKey, SecretKey string
	Insecure             bool   // plain HTTP
	Spool                string // directory where bytes wait for their hash; "" is the system's
	Signer               *Signer
	// Direct has signed addresses lead to the bucket instead of this server.
	Direct bool
}

// S3 is a store in a bucket.
type S3 struct {
	client *minio.Client
	o      S3Options
}

// ParseS3 reads s3://BUCKET/PREFIX?endpoint=HOST:PORT&region=R&insecure=1.
func ParseS3(address string) (S3Options, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return S3Options{}, fmt.Errorf("blob: %q: want s3://BUCKET/PREFIX?endpoint=HOST", address)
	}
	q := u.Query()
	o := S3Options{
		Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Endpoint: q.Get("endpoint"), Region: q.Get("region"),
		Insecure: q.Get("insecure") == "1", Direct: q.Get("direct") == "1",
	}
	if o.Endpoint == "" {
		o.Endpoint = "s3.amazonaws.com"
	}
	if o.Prefix != "" {
		o.Prefix += "/"
	}
	return o, nil
}

// NewS3 opens a bucket that is there.
func NewS3(ctx context.Context, o S3Options) (*S3, error) {
	c := credentials.NewStaticV4(o.AccessKey, o.SecretKey, "")
	if o.AccessKey == "" {
		c = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		})
	}
	client, err := minio.New(o.Endpoint, &minio.Options{Creds: c, Secure: !o.Insecure, Region: o.Region})
	if err != nil {
		return nil, fmt.Errorf("blob: s3: %w", err)
	}
	there, err := client.BucketExists(ctx, o.Bucket)
	if err != nil {
		return nil, fmt.Errorf("blob: s3: %w", err)
	}
	if !there {
		return nil, fmt.Errorf("blob: s3: there is no bucket %s", o.Bucket)
	}
	return &S3{client, o}, nil
}

func (s *S3) key(hash string) string { return s.o.Prefix + hash }

// Put spools to a local file, since the name is the hash, and sends it.
func (s *S3) Put(ctx context.Context, r io.Reader, limit int64) (info Info, err error) {
	f, err := os.CreateTemp(s.o.Spool, "kuai-s3-")
	if err != nil {
		return info, fmt.Errorf("blob: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	n, hash, err := spool(ctx, f, r, limit)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return info, fmt.Errorf("blob: %w", err)
	}
	_, err = s.client.PutObject(ctx, s.o.Bucket, s.key(hash), f, n, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return info, fmt.Errorf("blob: s3: %w", err)
	}
	return Info{Hash: hash, Bytes: n, Modified: time.Now()}, nil
}

// Get reads a range.
func (s *S3) Get(ctx context.Context, hash string, from, n int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, hash)
	if err != nil {
		return nil, err
	}
	if n, err = checkRange(info.Bytes, from, n); err != nil {
		return nil, err
	}
	if n == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	var o minio.GetObjectOptions
	if err := o.SetRange(from, from+n-1); err != nil {
		return nil, fmt.Errorf("blob: s3: %w", err)
	}
	obj, err := s.client.GetObject(ctx, s.o.Bucket, s.key(hash), o)
	if err != nil {
		return nil, gone(err)
	}
	return obj, nil
}

func gone(err error) error {
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return ErrNotFound
	}
	return fmt.Errorf("blob: s3: %w", err)
}

// Stat asks for the object's head.
func (s *S3) Stat(ctx context.Context, hash string) (Info, error) {
	if err := checkHash(hash); err != nil {
		return Info{}, err
	}
	i, err := s.client.StatObject(ctx, s.o.Bucket, s.key(hash), minio.StatObjectOptions{})
	if err != nil {
		return Info{}, gone(err)
	}
	return Info{hash, i.Size, i.LastModified}, nil
}

// Delete removes the object.
func (s *S3) Delete(ctx context.Context, hash string) error {
	if err := checkHash(hash); err != nil {
		return err
	}
	if err := s.client.RemoveObject(ctx, s.o.Bucket, s.key(hash), minio.RemoveObjectOptions{}); err != nil && !errors.Is(gone(err), ErrNotFound) {
		return gone(err)
	}
	return nil
}

// List pages through the bucket.
func (s *S3) List(ctx context.Context, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		o := minio.ListObjectsOptions{Prefix: s.o.Prefix, Recursive: true}
		if after != "" {
			o.StartAfter = s.key(after)
		}
		for obj := range s.client.ListObjects(ctx, s.o.Bucket, o) {
			if obj.Err != nil {
				yield(Info{}, fmt.Errorf("blob: s3: %w", obj.Err))
				return
			}
			hash := strings.TrimPrefix(obj.Key, s.o.Prefix)
			if checkHash(hash) == nil && !yield(Info{hash, obj.Size, obj.LastModified}, nil) {
				return
			}
		}
	}
}

// SignedURL leads to this server, or with Direct to the bucket.
func (s *S3) SignedURL(ctx context.Context, hash string, l Link) (string, error) {
	if err := checkHash(hash); err != nil {
		return "", err
	}
	if !s.o.Direct {
		if s.o.Signer == nil {
			return "", errors.New("blob: this store signs no addresses")
		}
		return s.o.Signer.Sign(hash, l), nil
	}
	q := url.Values{}
	if l.Type != "" {
		q.Set("response-content-type", l.Type)
	}
	q.Set("response-content-disposition", Disposition(l.Name, l.Inline))
	u, err := s.client.PresignedGetObject(ctx, s.o.Bucket, s.key(hash), l.Expires, q)
	if err != nil {
		return "", fmt.Errorf("blob: s3: %w", err)
	}
	return u.String(), nil
}
