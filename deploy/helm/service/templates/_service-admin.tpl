{{- define "service.serviceAdmin" -}}
{{- if .Values.serviceMonitor.enabled -}}
# For Prometheus alone, which also wants the metrics of pods that are not ready.
apiVersion: v1
kind: Service
metadata:
  name: {{ include "service.fullname" . }}-admin
  labels:
    {{- include "service.labelsOf" (list . "admin") | nindent 4 }}
spec:
  type: ClusterIP
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "service.selectorLabels" . | nindent 4 }}
  ports:
    - name: admin
      port: {{ .Values.ports.admin | int64 }}
      targetPort: admin
      protocol: TCP
{{- end }}
{{- end }}
