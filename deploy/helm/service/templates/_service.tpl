{{- define "service.service" -}}
# One address a pod: gateways resolve this name and balance over the addresses.
apiVersion: v1
kind: Service
metadata:
  name: {{ include "service.headlessName" . }}
  labels:
    {{- include "service.labels" . | nindent 4 }}
  {{- with .Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  clusterIP: None
  publishNotReadyAddresses: false
  selector:
    {{- include "service.selectorLabels" . | nindent 4 }}
  ports:
    - name: rpc
      port: {{ .Values.ports.rpc | int64 }}
      targetPort: rpc
      protocol: TCP
{{- end }}
