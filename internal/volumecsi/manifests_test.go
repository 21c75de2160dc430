package volumecsi

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"

	"safetmp/internal/volume"
)

const manifests = "../../deploy/kubernetes"

// decode reads a manifest as the API server does, except that it forgives nothing.
func decode[T any](t *testing.T, name string) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, name))
	require.NoError(t, err)
	var object T
	require.NoError(t, yaml.UnmarshalStrict(text, &object), name)
	return object
}

func TestManifestsDecode(t *testing.T) {
	driver := decode[storagev1.CSIDriver](t, "csidriver.yaml")
	assert.Equal(t, DriverName, driver.Name)
	assert.False(t, *driver.Spec.AttachRequired)
	assert.True(t, *driver.Spec.PodInfoOnMount)
	assert.Equal(t, storagev1.NoneFSGroupPolicy, *driver.Spec.FSGroupPolicy)
	assert.Equal(t, []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecycleEphemeral}, driver.Spec.VolumeLifecycleModes)

	account := decode[corev1.ServiceAccount](t, "serviceaccount.yaml")
	assert.False(t, *account.AutomountServiceAccountToken)
	decode[corev1.Namespace](t, "namespace.yaml")
	listed := decode[struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Namespace  string   `json:"namespace"`
		Resources  []string `json:"resources"`
	}](t, "kustomization.yaml")
	all, err := filepath.Glob(manifests + "/*.yaml")
	require.NoError(t, err)
	for _, path := range all {
		name := filepath.Base(path)
		if name != "kustomization.yaml" && name != "example-pod.yaml" {
			assert.Contains(t, listed.Resources, name)
		}
	}
	assert.Len(t, listed.Resources, len(all)-2)
}

func TestDaemonSet(t *testing.T) {
	set := decode[appsv1.DaemonSet](t, "daemonset.yaml")
	pod := set.Spec.Template.Spec
	assert.Equal(t, set.Spec.Selector.MatchLabels, set.Spec.Template.Labels)
	assert.True(t, pod.HostPID, "a volume's daemon outlives the driver")
	names := map[string]bool{}
	for _, v := range pod.Volumes {
		names[v.Name] = true
	}
	for _, c := range pod.Containers {
		for _, m := range c.VolumeMounts {
			assert.True(t, names[m.Name], "%s mounts %s", c.Name, m.Name)
		}
		privileged := c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
		assert.Equal(t, c.Name == "driver", privileged, c.Name)
	}
	driver := pod.Containers[0]
	require.NotNil(t, driver.LivenessProbe)
	kubelet := slices.IndexFunc(driver.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/var/lib/kubelet" })
	require.GreaterOrEqual(t, kubelet, 0)
	assert.Equal(t, corev1.MountPropagationBidirectional, *driver.VolumeMounts[kubelet].MountPropagation)
	assert.Contains(t, strings.Join(pod.Containers[1].Args, " "), "/plugins/"+DriverName+"/csi.sock")
}

// What the example asks for is what the driver takes.
func TestExamplePod(t *testing.T) {
	pod := decode[corev1.Pod](t, "example-pod.yaml")
	source := pod.Spec.Volumes[0].CSI
	require.NotNil(t, source)
	assert.Equal(t, DriverName, source.Driver)
	d := newDriver(t)
	target := d.publish("example", source.VolumeAttributes)
	v, err := d.volumes.Get(t.Context(), "example")
	require.NoError(t, err)
	require.Equal(t, volume.Serving, v.Condition)
	assert.EqualValues(t, 64<<20, v.Status.Limit)
	assert.EqualValues(t, 1000, v.Status.OwnerUID)
	assert.True(t, v.Status.NoExec)
	d.unpublish("example", target)
}
