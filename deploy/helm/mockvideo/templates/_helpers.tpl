{{- define "mockvideo.fullname" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}
{{- $name = printf "%s-%s" $name .Chart.Name }}
{{- end }}
{{- regexReplaceAll "[-.]+$" (trunc 52 $name) "" }}
{{- end }}

{{/* Labels of an object: (list . FURTHER). Each key once; the chart's own go first. */}}
{{- define "mockvideo.labels" -}}
{{- $further := default dict (last .) }}
{{- with first . }}
{{- $own := dict "app.kubernetes.io/name" "mockvideo" "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/component" "monitoring" }}
{{- $_ := set $own "app.kubernetes.io/part-of" "mockvideo" }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $own $further) }}
{{- end }}
{{- end }}
