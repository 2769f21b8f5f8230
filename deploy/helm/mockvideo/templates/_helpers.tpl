{{- define "mockvideo.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "mockvideo.labels" -}}
app.kubernetes.io/name: mockvideo
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: monitoring
app.kubernetes.io/part-of: mockvideo
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Name of accountd's headless Service in this release, as the gateway's chart must
know it without asking accountd's. With accountd.fullnameOverride or
accountd.nameOverride, gateway.config.backends must be set.
*/}}
{{- define "mockvideo.accountdHeadless" -}}
{{- $name := .Release.Name }}
{{- if not (contains "accountd" $name) }}
{{- $name = printf "%s-accountd" $name }}
{{- end }}
{{- $name | trunc 52 | trimSuffix "-" }}-headless
{{- end }}
