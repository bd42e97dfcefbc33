{{- define "synod.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What selects pods; it must never change, for a StatefulSet cannot. */}}
{{- define "synod.selector" -}}
app.kubernetes.io/name: synod
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "synod.labels" -}}
{{ include "synod.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: synod
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "synod.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* Names of all secrets that are mounted as folders, whoever makes them. */}}
{{- define "synod.secrets" -}}
{{- $names := .Values.secrets }}
{{- if .Values.externalSecrets.enabled }}
{{- range .Values.externalSecrets.secrets }}{{ $names = append $names .name }}{{ end }}
{{- end }}
{{- $names | uniq | toJson }}
{{- end }}

{{/* The configuration as a tree. */}}
{{- define "synod.tree" -}}
{{- $tree := fromYaml .Values.configuration }}
{{- if hasKey $tree "Error" }}
{{- fail (printf "configuration is no YAML: %s" $tree.Error) }}
{{- end }}
{{- toJson $tree }}
{{- end }}

{{/* What Synod reads at its start alone: all but what it follows by itself (`synod.yaml` says which keys those are). */}}
{{- define "synod.cold" -}}
{{- $tree := include "synod.tree" . | fromJson }}
{{- $cold := omit $tree "plugins" "features" "detectors" "consensus" "outcomes" "rollout" "fit" "models" }}
{{- $_ := set $cold "breaker" (dig "outcomes" "breaker" dict $tree) }}
{{- toJson $cold }}
{{- end }}

{{/* What cannot work is said here, before anything is installed. */}}
{{- define "synod.check" -}}
{{- if not .Values.configuration }}
{{- fail "configuration is missing: --set-file configuration=synod.yaml (config/synod.yaml documents every key)" }}
{{- end }}
{{- $listen := dig "listen" dict (include "synod.tree" . | fromJson) }}
{{- if not (or .Values.tls.secretName (dig "tls" "" $listen) (dig "proxies" "" $listen)) }}
{{- fail "rows and credentials would cross the network in the clear, and Synod refuses that: set tls.secretName, or in the configuration listen.tls, or listen.proxies if a proxy in front ends TLS" }}
{{- end }}
{{- if and (or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled) (not .Values.separateReplicas) }}
{{- fail "more than one replica: each has its own histories, decisions, API keys and models. Read README.md (Replicas) of this chart, and set separateReplicas: true if that is what you want" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minimum) (int .Values.autoscaling.maximum)) }}
{{- fail "autoscaling.minimum is above autoscaling.maximum" }}
{{- end }}
{{- if and .Values.externalSecrets.enabled (not .Values.externalSecrets.store.name) }}
{{- fail "externalSecrets.store.name is missing: the SecretStore or ClusterSecretStore to fetch from" }}
{{- end }}
{{- if eq (int .Values.listen.data) (int .Values.listen.administration) }}
{{- fail "listen.data and listen.administration are the same port" }}
{{- end }}
{{- end }}

{{/* What the restricted profile wants of a pod, and of each container. */}}
{{- define "synod.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# A volume with a great many files is looked through only if its owner is another one.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "synod.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where things are, for the service and for every command that is run in its pod. */}}
{{- define "synod.environment" -}}
- {name: SYNOD_CONFIG, value: /etc/synod/config/synod.yaml}
- {name: SYNOD_DATA_DIRECTORY, value: /var/lib/synod/data}
- {name: SYNOD_PLUGINS__DIRECTORY, value: {{ .Values.image.plugins | quote }}}
- {name: SYNOD_LISTEN__DATA, value: {{ printf "%s:%d" .Values.listen.address (int .Values.listen.data) | quote }}}
- {name: SYNOD_LISTEN__ADMINISTRATION, value: {{ printf "%s:%d" .Values.listen.address (int .Values.listen.administration) | quote }}}
- {name: SYNOD_LISTEN__DRAIN, value: {{ printf "%ds" (int .Values.stopping.drain) }}}
{{- if .Values.tls.secretName }}
- {name: SYNOD_LISTEN__TLS__CERTIFICATE, value: /etc/synod/tls/tls.crt}
- {name: SYNOD_LISTEN__TLS__KEY, value: /etc/synod/tls/tls.key}
{{- end }}
{{- range $name, $value := .Values.environment }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{- define "synod.mounts" -}}
- {name: data, mountPath: /var/lib/synod}
# The whole folder, not the file: a file that is mounted alone never changes.
- {name: configuration, mountPath: /etc/synod/config, readOnly: true}
- {name: temporary, mountPath: /tmp}
{{- if .Values.tls.secretName }}
- {name: tls, mountPath: /etc/synod/tls, readOnly: true}
{{- end }}
{{- range include "synod.secrets" . | fromJsonArray }}
- {name: {{ printf "secret-%s" . | quote }}, mountPath: {{ printf "/etc/synod/secrets/%s" . | quote }}, readOnly: true}
{{- end }}
{{- with .Values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* All volumes but `data`. Secrets are for the group of the service, and for nobody else. */}}
{{- define "synod.volumes" -}}
- name: configuration
  configMap: {name: {{ include "synod.name" . }}}
- name: temporary
  emptyDir: {sizeLimit: 256Mi}
{{- if .Values.tls.secretName }}
- name: tls
  secret: {secretName: {{ .Values.tls.secretName | quote }}, defaultMode: 0440}
{{- end }}
{{- range include "synod.secrets" . | fromJsonArray }}
- name: {{ printf "secret-%s" . | quote }}
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* How long a pod may take to end. Requests are drained, then work without a caller, then spans: each for as long as `drain`. */}}
{{- define "synod.grace" -}}
{{- $stopping := .Values.stopping }}
{{- add (int $stopping.wait) (mul 3 (int $stopping.drain)) (int $stopping.margin) }}
{{- end }}

{{/* A container that runs one command on the data directory of a replica. */}}
{{- define "synod.command" -}}
image: {{ include "synod.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "synod.containerSecurity" . | nindent 2 }}
env:
  {{- include "synod.environment" . | nindent 2 }}
  {{- if .Values.models.registrySecret }}
  - {name: DOCKER_CONFIG, value: /etc/synod/registry}
  {{- end }}
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  {{- include "synod.mounts" . | nindent 2 }}
  {{- if .Values.models.registrySecret }}
  - {name: registry, mountPath: /etc/synod/registry, readOnly: true}
  {{- end }}
  {{- if .Values.models.authoritySecret }}
  - {name: registry-authority, mountPath: /etc/synod/registry-authority, readOnly: true}
  {{- end }}
{{- end }}
