package provider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"path"

	"kuai/platform/render"
)

// imageName stands in a workflow for the picture that a clip begins with.
const imageName = "${image}"

// prepare uploads an order's picture, if it has one, and fills in the workflow.
func (c *Comfy) prepare(ctx context.Context, s *Server, o render.Order) (prompt any, err error) {
	picture := ""
	if len(o.Picture) > 0 {
		if picture, err = c.upload(ctx, s, o.Picture); err != nil {
			return nil, unqueued(err)
		}
	}
	return c.prompt(o.Request, picture)
}

// upload sends a picture to a server and returns what it calls it there. Its name is
// made of its bytes: to send it again, such as in the next attempt, changes nothing.
func (c *Comfy) upload(ctx context.Context, s *Server, picture []byte) (name string, err error) {
	sum := sha256.Sum256(picture)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	f, err := w.CreateFormFile("image", "kuai-"+hex.EncodeToString(sum[:16])+".jpg")
	if err == nil {
		_, err = f.Write(picture)
	}
	for field, v := range map[string]string{"type": "input", "overwrite": "true"} {
		err = errors.Join(err, w.WriteField(field, v))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, comfyTime)
	defer cancel()
	var kept struct {
		Name      string `json:"name"`
		Subfolder string `json:"subfolder"`
	}
	if err := c.send(ctx, s, http.MethodPost, "/upload/image", w.FormDataContentType(), body.Bytes(), &kept); err != nil {
		return "", err
	}
	if kept.Name == "" {
		return "", errors.New("provider: ComfyUI kept no picture")
	}
	return path.Join(kept.Subfolder, kept.Name), nil
}
