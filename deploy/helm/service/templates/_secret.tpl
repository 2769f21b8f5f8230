{{- define "service.secret" -}}
{{- if include "service.makesSecret" . -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "service.fullname" . | quote }}
  labels:
    {{- include "service.labels" . | nindent 4 }}
type: Opaque
data:
  {{- include "service.secretData" . | nindent 2 }}
{{- end }}
{{- end }}
