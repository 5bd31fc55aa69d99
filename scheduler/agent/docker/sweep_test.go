package docker_test

import (
	"testing"

	"github.com/docker/docker/api/types/image"
)

// An image nobody keeps goes; one that is kept, one that a container uses and
// everybody else's stay.
func TestRemoveImages(t *testing.T) {
	r, eng := newRuntime(t, config()), engine(t)
	count := func() int {
		list, err := eng.ImageList(deadline(t), image.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	has := func(ref string) bool {
		_, err := eng.ImageInspect(deadline(t), ref)
		return err == nil
	}
	used, spare := assign(t, 61), assign(t, 62)
	spare.Image = imageUser
	defer remove(t, r, used.ID)
	defer remove(t, r, spare.ID)
	if _, err := r.Start(deadline(t), used); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(deadline(t), spare); err != nil {
		t.Fatal(err)
	}
	remove(t, r, spare.ID)
	before := count()
	if n, err := r.RemoveImages(deadline(t), []string{imageUser}); err != nil || !has(imageUser) || !has(imageProg) {
		t.Fatalf("removed %d, %v; kept %v, used %v", n, err, has(imageUser), has(imageProg))
	}
	n, err := r.RemoveImages(deadline(t), nil)
	if err != nil || n == 0 || has(imageUser) {
		t.Errorf("removed %d, %v; spare still there: %v", n, err, has(imageUser))
	}
	if !has(imageProg) {
		t.Error("the image of a running container was removed")
	}
	if after := count(); after < before-2 {
		t.Errorf("%d images before, %d after: others' images went", before, after)
	}
	if err := r.Prune(deadline(t), nil); err != nil {
		t.Error(err)
	}
}
